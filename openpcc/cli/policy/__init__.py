"""`openpcc policy`: whom this client believes, shown and checked; never changed."""
