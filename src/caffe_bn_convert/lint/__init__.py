"""What is legal in a net but suspicious: rules as data, and what they find."""
