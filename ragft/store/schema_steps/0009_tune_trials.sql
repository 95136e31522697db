-- The trials of a tune: what was asked, once for each number, and what came of it. A trial is computed under the claim
-- on its task, so whoever takes that over tries the same parameters.
CREATE TABLE tune_trials (
    tune text NOT NULL,
    number integer NOT NULL,
    task text NOT NULL UNIQUE,
    parameters json NOT NULL,
    result json,
    asked timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tune, number)
);
-- What the comparison of a tune's best adapter on test said.
CREATE TABLE tune_verdicts (
    task text PRIMARY KEY,
    result json NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp()
);
