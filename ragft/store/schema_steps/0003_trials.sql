-- The ledger of test sets: which versions were ever compared on one. Rows are only added and settled, never deleted,
-- so that deleting a run or a registered version does not hide a try.
CREATE TABLE trials (
    data text NOT NULL,
    version text NOT NULL,
    name text NOT NULL,
    outcome text NOT NULL,
    comparison text NOT NULL,
    first timestamptz NOT NULL DEFAULT clock_timestamp(),
    last timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (data, version)
);
