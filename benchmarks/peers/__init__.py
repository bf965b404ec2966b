"""The other ways, as the applications that users would write: same model, serializer, checks and tokens."""
