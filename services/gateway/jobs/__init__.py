"""The job API: submit, read, wait for, cancel and list jobs."""
