"""Small helpers that need nothing but the standard library, NumPy and rapidfuzz."""
