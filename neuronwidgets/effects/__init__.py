"""What neurons do, and which of them tell samples apart."""
