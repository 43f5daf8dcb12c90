"""What could identify a person or a machine: the rules, where they find something, and how it is left out."""
