"""What every process of ours serves: its health and metrics; and the certificate of one that was given none."""
