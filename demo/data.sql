-- Burden estimates of vaccine-preventable diseases, in the shape of Montagu's: a few small tables and one large one.
-- Values are whole numbers, so that sums of them are exact.
CREATE TABLE country (
    id text PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE disease (
    id text PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE modelling_group (
    id text PRIMARY KEY,
    description text NOT NULL
);
CREATE TABLE touchstone (
    id text PRIMARY KEY,
    version integer NOT NULL,
    description text NOT NULL
);
CREATE TABLE scenario (
    id serial PRIMARY KEY,
    touchstone text NOT NULL REFERENCES touchstone,
    disease text NOT NULL REFERENCES disease,
    description text NOT NULL
);
CREATE TABLE burden_outcome (
    id smallserial PRIMARY KEY,
    code text NOT NULL UNIQUE
);
CREATE TABLE burden_estimate_set (
    id serial PRIMARY KEY,
    scenario integer NOT NULL REFERENCES scenario,
    modelling_group text NOT NULL REFERENCES modelling_group,
    uploaded_on timestamptz NOT NULL
);
CREATE TABLE burden_estimate (
    id bigserial,
    burden_estimate_set integer NOT NULL,
    country text NOT NULL,
    burden_outcome smallint NOT NULL,
    year smallint NOT NULL,
    age smallint NOT NULL,
    value double precision NOT NULL
);

-- What the writer commits: a number, and which estimate it raised by how much.
CREATE TABLE correction (
    number bigint PRIMARY KEY,
    burden_estimate bigint NOT NULL,
    amount integer NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

INSERT INTO country SELECT chr(65 + n / 26 % 26) || chr(65 + n % 26) || chr(65 + n * 7 % 26), 'Country ' || n FROM generate_series(1, 98) n;
INSERT INTO disease SELECT unnest(ARRAY['HepB', 'Hib', 'HPV', 'JE', 'Measles', 'MenA', 'PCV', 'Rota', 'Rubella', 'YF']), 'A disease';
INSERT INTO modelling_group SELECT 'group-' || n, repeat('A modelling group. ', 5) FROM generate_series(1, 20) n;
INSERT INTO touchstone SELECT 'touchstone-' || n, n, 'Estimates of year ' || 2016 + n FROM generate_series(1, 4) n;
INSERT INTO scenario (touchstone, disease, description)
    SELECT t.id, d.id, repeat('With and without vaccination. ', 3) FROM touchstone t, disease d ORDER BY 1, 2;
INSERT INTO burden_outcome (code) VALUES ('deaths'), ('cases'), ('dalys');
INSERT INTO burden_estimate_set (scenario, modelling_group, uploaded_on)
    SELECT s.id, 'group-' || 1 + s.id % 20, '2018-01-01Z'::timestamptz + s.id * interval '1 day' FROM scenario s ORDER BY s.id;

INSERT INTO burden_estimate (burden_estimate_set, country, burden_outcome, year, age, value)
    SELECT s.id, c.id, o.id, 2000 + y, a * 5, (hashint8(s.id * 1000003 + y * 1009 + a * 31 + o.id)::bigint & 65535)
    FROM burden_estimate_set s, country c, burden_outcome o, generate_series(1, :years) y, generate_series(0, 9) a;

ALTER TABLE burden_estimate
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (burden_estimate_set) REFERENCES burden_estimate_set,
    ADD FOREIGN KEY (country) REFERENCES country,
    ADD FOREIGN KEY (burden_outcome) REFERENCES burden_outcome;
CREATE INDEX ON burden_estimate (burden_estimate_set, country, year);
ANALYZE;
