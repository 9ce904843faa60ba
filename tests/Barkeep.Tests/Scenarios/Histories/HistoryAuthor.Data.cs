using System.Globalization;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>Tables, indexes, rows, sequences, large objects, and the upkeep of them.</summary>
sealed partial class HistoryAuthor
{
    List<(int Weight, Func<bool> TryMake)> DataChoices() =>
    [
        (4, CreateTable), (2, DropTable), (3, Truncate), (12, Insert), (5, Copy), (10, Update), (8, Delete),
        (10, Vacuum), (3, Rewrite), (3, Reindex), (6, CreateIndex), (2, DropIndex), (4, Move), (5, Look), (3, Abort),
        (2, CreateView), (2, RefreshView), (2, UseSequence), (3, UseLargeObject), (1, SwitchLogged), (2, AlterTable), (1, MaintainIndexes),
    ];

    bool CreateTable()
    {
        var database = Database;
        if (database.Tables.Count >= 8)
        {
            return false;
        }
        var table = new ModelTable(Name("t")) { IsUnlogged = Maybe(0.12) };
        Sql(database.Name, Creation(table));
        database.Tables.Add(table);
        return true;
    }

    string[] Creation(ModelTable table)
    {
        var fillFactor = One([100, 100, 70, 30]);
        var storage = One(["EXTENDED", "EXTERNAL", "PLAIN"]);
        return
        [
            $"CREATE {(table.IsUnlogged ? "UNLOGGED " : "")}TABLE {table.Name} (id int, n int, s text, a int[], p point, serial bigserial) WITH (fillfactor = {fillFactor})",
            $"ALTER TABLE {table.Name} ALTER COLUMN s SET STORAGE {storage}",
        ];
    }

    bool DropTable() => WithTable(static (d, t) => d.Tables.Count > 2, (database, table) =>
    {
        Sql(database.Name, $"DROP TABLE {table.Name} CASCADE");
        database.Tables.Remove(table);
    });

    bool Truncate() => WithTable((database, table) =>
    {
        string[] statements = Maybe(0.5) ? [$"TRUNCATE {table.Name}"] : [$"TRUNCATE {table.Name} RESTART IDENTITY", Take(table, _dice.Next(1, 400))];
        Sql(database.Name, statements);
    });

    bool Insert() => WithTable(InsertInto);

    void InsertInto(ModelDatabase database, ModelTable table) =>
        Sql(database.Name, Take(table, One([5, 100, 700, 3000]), isWide: Maybe(0.15)));

    // Rows by COPY, which extends by many pages at once; FREEZE sets the visibility map with them.
    bool Copy() => WithTable((database, table) =>
    {
        var (first, count, freeze) = (table.Next, _dice.Next(200, 5000), Maybe(0.4));
        table.Next += count;
        string[] before = freeze ? ["BEGIN", $"TRUNCATE {table.Name}"] : ["BEGIN"];
        var end = Maybe(0.85) ? "COMMIT" : "ROLLBACK";
        Add($"{database.Name}: {string.Join("; ", before)}; COPY {table.Name}, {count} rows{(freeze ? ", FREEZE" : "")}; {end}", run => run.CopyInAsync(
            database.Name,
            before,
            $"COPY {table.Name} (id, n, s, a, p) FROM STDIN{(freeze ? " WITH (FREEZE)" : "")}",
            Enumerable.Range(first, count).Select(static i => string.Create(CultureInfo.InvariantCulture, $"{i}\t{i % 97}\tcopied {i}\t{{{i % 10},{i % 17}}}\t({i % 100},{i % 37})")),
            end));
    });

    bool Update() => WithTable((database, table) =>
    {
        var change = One(["n = n + 1", "s = md5(s)", "s = left(s, 20) || id", "a = ARRAY[n, id % 13]", "p = point(n, id % 50)"]);
        // A few rows, in one page or in many: most pages stay what they were.
        var where = One([$"id % {_dice.Next(2, 60)} = 0", $"id = {_dice.Next(table.Next)}", $"id BETWEEN {_dice.Next(table.Next)} AND {_dice.Next(table.Next)}"]);
        Sql(database.Name, $"UPDATE {table.Name} SET {change} WHERE {where}");
    });

    bool Delete() => WithTable((database, table) =>
    {
        var where = One([$"id % {_dice.Next(2, 40)} = 0", $"id > {_dice.Next(table.Next)}", $"id = {_dice.Next(table.Next)}", "true"]);
        Sql(database.Name, $"DELETE FROM {table.Name} WHERE {where}");
    });

    bool Vacuum() => WithTable((database, table) =>
    {
        var options = One(["", "", "(FREEZE) ", "(DISABLE_PAGE_SKIPPING) ", "(INDEX_CLEANUP false) ", "(TRUNCATE false) ", "(ANALYZE) "]);
        Sql(database.Name, $"VACUUM {options}{(Maybe(0.1) ? "" : table.Name)}".TrimEnd());
    });

    bool Rewrite() => WithTable((database, table) =>
        Sql(database.Name, table.Indexes.Exists(static i => i.EndsWith("_n", StringComparison.Ordinal)) && Maybe(0.6)
            ? $"CLUSTER {table.Name} USING {table.Indexes.Find(static i => i.EndsWith("_n", StringComparison.Ordinal))}"
            : $"VACUUM FULL {table.Name}"));

    bool Reindex() => WithTable(static (d, t) => t.Indexes.Count > 0, (database, table) =>
        Sql(database.Name, Maybe(0.5) ? $"REINDEX TABLE {table.Name}" : $"REINDEX INDEX {(database.Open == 0 ? "CONCURRENTLY " : "")}{One(table.Indexes)}"));

    bool CreateIndex() => WithTable(static (d, t) => t.Indexes.Count < 6, (database, table) =>
    {
        var (kind, on) = One([("id", "(id)"), ("n", "(n)"), ("s", "(md5(s))"), ("gin", "USING gin (a)"), ("slowgin", "USING gin (a) WITH (fastupdate = off)"),
            ("gist", "USING gist (p)"), ("brin", "USING brin (id) WITH (pages_per_range = 2)"), ("hash", "USING hash (n)"), ("spgist", "USING spgist (p)"), ("sptext", "USING spgist (left(s, 100))")]);
        var name = $"{Name("i")}_{kind}";
        Sql(database.Name, $"CREATE INDEX {(Maybe(0.15) && database.Open == 0 ? "CONCURRENTLY " : "")}{name} ON {table.Name} {on}");
        table.Indexes.Add(name);
    });

    bool DropIndex() => WithTable(static (d, t) => t.Indexes.Count > 0, (database, table) =>
    {
        var index = One(table.Indexes);
        Sql(database.Name, $"DROP INDEX {index}");
        table.Indexes.Remove(index);
    });

    bool Move()
    {
        if (_tablespaces.Count == 0)
        {
            return false;
        }
        return WithTable((database, table) =>
        {
            var tablespace = Maybe(0.4) || database.Tablespace is not null ? "pg_default" : One(_tablespaces);
            if (tablespace != "pg_default")
            {
                database.Uses.Add(tablespace);
            }
            Sql(database.Name, table.Indexes.Count > 0 && Maybe(0.5)
                ? $"ALTER INDEX {One(table.Indexes)} SET TABLESPACE {tablespace}"
                : $"ALTER TABLE {table.Name} SET TABLESPACE {tablespace}");
        });
    }

    // After a commit or an abort: hint bits, dead index entries, pruning.
    bool Look() => WithTable((database, table) =>
        Sql(database.Name, "SET enable_seqscan = off", $"SELECT count(*), sum(n) FROM {table.Name} WHERE id > 0 AND n >= 0", "SET enable_seqscan = on", $"SELECT count(s) FROM {table.Name}"));

    bool Abort() => WithTable((database, table) =>
        Sql(database.Name, "BEGIN", Take(table, _dice.Next(10, 1500)), $"DELETE FROM {table.Name} WHERE id % 4 = 0", $"CREATE TABLE {Name("never")} AS SELECT * FROM {table.Name}", "ROLLBACK"));

    bool CreateView() => WithTable(static (d, t) => t is { Views.Count: < 2, IsUnlogged: false }, (database, table) =>
    {
        var name = Name("v");
        Sql(database.Name, $"CREATE MATERIALIZED VIEW {name} AS SELECT n, count(*) AS c, max(id) AS m FROM {table.Name} GROUP BY n", $"CREATE UNIQUE INDEX ON {name} (n)");
        table.Views.Add(name);
    });

    bool RefreshView() => WithTable(static (d, t) => t.Views.Count > 0, (database, table) =>
        Sql(database.Name, $"REFRESH MATERIALIZED VIEW {One(table.Views)}"));

    bool UseSequence()
    {
        var database = Database;
        if (database.Sequences.Count == 0 || Maybe(0.2))
        {
            var name = Name("q");
            database.Sequences.Add(name);
            Sql(database.Name, $"CREATE SEQUENCE {name}");
        }
        Sql(database.Name, $"SELECT nextval('{One(database.Sequences)}') FROM generate_series(1, {_dice.Next(1, 100)})");
        return true;
    }

    bool UseLargeObject()
    {
        Sql(Database.Name, _dice.Next(3) switch
        {
            0 => $"SELECT lo_from_bytea(0, decode(repeat('{Name("ab").Length:x2}', {_dice.Next(100, 20_000)}), 'hex'))",
            1 => "SELECT lo_put(loid, 3000, decode(repeat('fe', 4000), 'hex')) FROM (SELECT min(loid) AS loid FROM pg_largeobject) AS first WHERE loid IS NOT NULL",
            _ => "SELECT lo_unlink(loid) FROM (SELECT max(loid) AS loid FROM pg_largeobject) AS last WHERE loid IS NOT NULL",
        });
        return true;
    }

    bool SwitchLogged() => WithTable(static (d, t) => t.Views.Count == 0, (database, table) =>
    {
        table.IsUnlogged = !table.IsUnlogged;
        Sql(database.Name, $"ALTER TABLE {table.Name} SET {(table.IsUnlogged ? "UNLOGGED" : "LOGGED")}");
    });

    bool AlterTable() => WithTable((database, table) =>
        Sql(database.Name, One([table.Views.Count == 0 ? $"ALTER TABLE {table.Name} ALTER COLUMN n TYPE {One(["bigint", "int"])}" : $"ANALYZE {table.Name} (n)", $"ALTER TABLE {table.Name} SET (fillfactor = {One([40, 90, 100])})",
            $"ALTER TABLE {table.Name} ADD COLUMN {Name("c")} text DEFAULT 'x'", $"ANALYZE {table.Name}"])));

    bool MaintainIndexes() => WithTable(static (d, t) => t.Indexes.Exists(static i => i.EndsWith("gin", StringComparison.Ordinal) || i.EndsWith("brin", StringComparison.Ordinal)), (database, table) =>
    {
        var index = table.Indexes.Find(static i => i.EndsWith("gin", StringComparison.Ordinal) || i.EndsWith("brin", StringComparison.Ordinal))!;
        Sql(database.Name, index.EndsWith("gin", StringComparison.Ordinal) ? $"SELECT gin_clean_pending_list('{index}')" : $"SELECT brin_summarize_new_values('{index}')");
    });

    // The next rows of a table.
    static string Take(ModelTable table, int count, bool isWide = false)
    {
        var first = table.Next;
        table.Next += count;
        return Rows(table, first, isWide ? Math.Min(count, 100) : count, isWide);
    }

    static string Rows(ModelTable table, int first, int count, bool isWide)
    {
        var text = isWide ? "(SELECT string_agg(md5((i * k)::text), '') FROM generate_series(1, 100) k)" : "md5(i::text)";
        return $"INSERT INTO {table.Name} (id, n, s, a, p) SELECT i, i % 97, {text}, ARRAY[i % 10, i % 17], point(i % 100, i % 37) FROM generate_series({first}, {first + count - 1}) i";
    }

    ModelTable? FreeTable(ModelDatabase database)
    {
        var free = database.Tables.FindAll(static t => !t.IsLocked);
        return free.Count > 0 ? One(free) : null;
    }

    bool WithTable(Action<ModelDatabase, ModelTable> make) => WithTable(static (_, _) => true, make);

    bool WithTable(Func<ModelDatabase, ModelTable, bool> can, Action<ModelDatabase, ModelTable> make)
    {
        var database = Database;
        if (FreeTable(database) is not { } table || !can(database, table))
        {
            return false;
        }
        make(database, table);
        return true;
    }
}
