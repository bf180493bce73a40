"""What a project is made of: each part, and where the project says so."""
