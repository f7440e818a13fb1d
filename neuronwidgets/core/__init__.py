"""What every room stands on: checks, labels, files, threads. It imports no other room."""
