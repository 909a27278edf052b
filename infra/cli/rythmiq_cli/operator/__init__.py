"""What operators' commands do to a deployment: variables, database, bucket, keys."""
