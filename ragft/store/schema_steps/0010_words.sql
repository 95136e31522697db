-- The words of the passages of a collection, made at the first search by words. A score is what a word adds to the
-- BM25 of a passage, in millionths: sums of whole numbers are the same in any order.
CREATE TABLE postings (
    collection integer NOT NULL,
    language text NOT NULL,
    lexeme text NOT NULL,
    passages bigint[] NOT NULL,
    scores integer[] NOT NULL,
    PRIMARY KEY (collection, language, lexeme)
);

CREATE TABLE word_indexes (
    collection integer NOT NULL REFERENCES collections (number),
    language text NOT NULL,
    PRIMARY KEY (collection, language)
);
