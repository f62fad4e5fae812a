"""What happens to a picture: diagnosed, sent to an expert, repaired, explained. Nothing is read or written here."""
