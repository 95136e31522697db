-- Finished cells of studies: what a study shows is made of these rows alone.
CREATE TABLE study_cells (
    key text PRIMARY KEY,
    record json NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
);
