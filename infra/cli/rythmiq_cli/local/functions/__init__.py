"""The functions of the local cloud: instances, their launcher and the HTTP gateway."""
