"""How fast is it, beside the floor or limit taken in the same run? One module a measurement."""
