"""An S3 store on this machine: moto behind a guard that checks signatures."""
