-- What people said of answers. `item` is the hash of what was labelled (ragft.judging.labels), `scale` that of the
-- labels that were offered; a person who says something else later replaces what was said before.
CREATE TABLE labels (
    item text NOT NULL,
    criterion text NOT NULL,
    scale text NOT NULL,
    annotator text NOT NULL,
    value double precision NOT NULL,
    source text NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (item, criterion, scale, annotator)
);
-- Which pairs of answers (two items) people could have been asked about, with what probability, and whether they were.
-- A sample holds all of its pairs, drawn or not: where several samples overlap, all of their probabilities count.
CREATE TABLE label_samples (
    sample text NOT NULL,
    pair text NOT NULL,
    probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
    drawn boolean NOT NULL,
    made timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (sample, pair)
);
CREATE INDEX label_samples_of_pair ON label_samples (pair);
