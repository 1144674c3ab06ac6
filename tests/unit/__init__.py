"""The worker's parts by themselves: nothing outside the process but files of the test."""
