-- An answer is shared by all who ask the same message: a row keeps what its key decides, not who asked first.
ALTER TABLE answers DROP COLUMN question, DROP COLUMN passages, DROP COLUMN dropped_passages;
