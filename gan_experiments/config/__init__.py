"""What users type: schema, composition, checks, instantiation, messages."""
