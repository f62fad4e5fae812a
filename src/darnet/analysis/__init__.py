"""What looks inside networks: who serves which damage, how damages are told apart, what parts make of a picture."""
