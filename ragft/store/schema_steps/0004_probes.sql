-- What a base model was found to know of a data set; `record` maps a question's id to its counts of right answers.
CREATE TABLE probes (
    key text PRIMARY KEY,
    model text NOT NULL,
    dataset text NOT NULL,
    settings json NOT NULL,
    record json NOT NULL,
    used timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX probes_of ON probes (model, dataset);
