"""Networks that classify the first alert of an object, or the first two, from their stamps."""
