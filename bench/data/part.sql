-- One study of a research database: large tables of every kind, indexes of several kinds, and many small tables.
-- psql variables: part (its number), scale (1 makes about half a GB). One transaction, so that filling writes no WAL.
\set ON_ERROR_STOP on
SET max_parallel_workers_per_gather = 0;
SET maintenance_work_mem = '512MB';
BEGIN;
SELECT setseed(:part / 100.0) \g /dev/null
CREATE SCHEMA study_:part;
SET search_path = study_:part;

-- Two megabytes of prose in two thousand words, of which few are frequent; text is cut out of it. Not compressed, so that cutting is cheap.
CREATE TEMP TABLE source (prose bytea);
ALTER TABLE source ALTER prose SET STORAGE EXTERNAL;
INSERT INTO source
    SELECT string_agg(convert_to(substr(md5((:part * 10000 + floor(2000 * random() ^ 2))::text), 1, 2 + i % 9) || CASE i % 14 WHEN 0 THEN '. ' ELSE ' ' END, 'UTF8'), '')
    FROM generate_series(1, 300000) i;
CREATE FUNCTION pg_temp.prose(source bytea, length int) RETURNS text VOLATILE
    RETURN convert_from(substr(source, 1 + floor(random() * 1900000)::int, length), 'UTF8');

-- Numbers.
CREATE TABLE measurement (id bigint, subject int, taken timestamptz, low float8, high float8, mean float8, deviation float4, quality int);
INSERT INTO measurement
    SELECT i, floor(random() * 50000), '2020-01-01'::timestamptz + i * interval '17 s', random() * 10, 10 + random(), round((random() * 100)::numeric, 3),
        random(), i % 5
    FROM generate_series(1, (:scale * 1200000)::bigint) i;

-- Documents.
CREATE TABLE document (id bigint, kind text, body jsonb);
INSERT INTO document
    SELECT i, 'kind ' || i % 12, jsonb_build_object('id', i, 'site', 'site-' || floor(random() * 400), 'status', (ARRAY['open', 'closed', 'draft'])[1 + i % 3],
        'score', random(), 'title', pg_temp.prose(prose, 60), 'summary', pg_temp.prose(prose, 300),
        'tags', jsonb_build_array(floor(random() * 1000), floor(random() * 1000), floor(random() * 1000)), 'author', jsonb_build_object('name', 'person ' || i % 5000, 'age', i % 80))
    FROM source, generate_series(1, (:scale * 120000)::bigint) i;

-- Text.
CREATE TABLE note (id bigint, author text, written date, text text);
INSERT INTO note
    SELECT i, 'author ' || floor(random() * 9000), date '2020-01-01' + (i % 1500)::int,
        pg_temp.prose(prose, 150 + (i % 500)::int)
    FROM source, generate_series(1, (:scale * 240000)::bigint) i;

-- Files: images and archives, which do not shrink, beside ones that do.
CREATE TABLE attachment (id bigint, name text, content bytea);
ALTER TABLE attachment ALTER content SET STORAGE EXTERNAL;
INSERT INTO attachment
    SELECT i, 'file ' || i, CASE i % 5
        WHEN 0 THEN convert_to(pg_temp.prose(prose, 20000 + (i % 10000)::int), 'UTF8')
        ELSE (SELECT string_agg(sha512(int8send(:part::bigint * 1000000000 + i * 1000 + j)), '') FROM generate_series(1, 200 + i % 200) j) END
    FROM source, generate_series(1, (:scale * 4000)::bigint) i;

-- Places.
CREATE TABLE event (id bigint, place point, label text, series float8[]);
INSERT INTO event
    SELECT i, point(random() * 360, random() * 180), 'event ' || i % 1000, ARRAY[random(), random(), random()]
    FROM generate_series(1, (:scale * 400000)::bigint) i;

-- Indexes.
ALTER TABLE measurement ADD PRIMARY KEY (id);
CREATE INDEX ON measurement (subject, taken);
CREATE INDEX ON measurement USING brin (taken);
ALTER TABLE document ADD PRIMARY KEY (id);
CREATE INDEX ON document USING gin (body jsonb_path_ops);
ALTER TABLE note ADD PRIMARY KEY (id);
CREATE INDEX ON note USING hash (author);
ALTER TABLE attachment ADD PRIMARY KEY (id);
ALTER TABLE event ADD PRIMARY KEY (id);
CREATE INDEX ON event USING spgist (place);

-- Many small tables.
SELECT format('CREATE TABLE list_%s (id int PRIMARY KEY, name text UNIQUE, value float8)', t),
    format('INSERT INTO list_%s SELECT i, ''item '' || i, random() FROM generate_series(1, %s) i', t, t * 3)
    FROM generate_series(1, 100) t
\gexec
COMMIT;
