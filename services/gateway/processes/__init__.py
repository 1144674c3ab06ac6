"""What the processes of one gateway share."""
