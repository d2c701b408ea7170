"""Wide arithmetic for the compiled loops of quantization/ and query/."""
