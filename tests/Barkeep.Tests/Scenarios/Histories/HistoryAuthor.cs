using System.Globalization;

namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>
/// Writes the history that belongs to a seed, all of it before it happens: dice, and a model of what is there at each step.
/// The other half says what changes data; this one what happens to databases, transactions, the server and the backups.
/// </summary>
sealed partial class HistoryAuthor
{
    readonly Random _dice;
    readonly HistorySetting _setting;
    readonly List<ModelDatabase> _databases = [];
    readonly List<string> _tablespaces = [];
    readonly List<ModelTransaction> _transactions = [];
    List<HistoryStep> _steps = [];
    int _names;
    uint _oid = 90_000;

    HistoryAuthor(HistorySetting setting)
    {
        _setting = setting;
        _dice = new(setting.Seed);
    }

    ModelDatabase Database => One(_databases);

    public static IReadOnlyList<HistoryStep> Write(HistorySetting setting)
    {
        var author = new HistoryAuthor(setting);
        author.Begin();
        var choices = author.Choices();
        var total = choices.Sum(static c => c.Weight);
        for (var made = 0; made < setting.Length;)
        {
            var dice = author._dice.Next(total);
            if (choices.First(c => (dice -= c.Weight) < 0).TryMake())
            {
                made++;
            }
        }
        author.End();
        return author._steps;
    }

    // What is there to begin with, so that the first backup holds some of it.
    void Begin()
    {
        CreateDatabase();
        for (var i = 0; i < 3; i++)
        {
            CreateTable();
            Insert();
        }
        CreateTablespace();
        BackUp();
    }

    void End()
    {
        EndAllTransactions();
        Add("a backup, compared", run => run.BackUpAtRestAsync(isFull: false));
        Add("the newest backup is restored and started", run => run.StartRestoredAsync(0));
        Add("all backups are compared again", run => run.CompareAllAgainAsync());
    }

    List<(int Weight, Func<bool> TryMake)> Choices() =>
    [
        .. DataChoices(),
        (3, CreateDatabase), (2, DropDatabase), (3, MoveDatabase), (3, MoveDatabaseThereAndBack), (3, RecreateDatabase), (1, CreateTablespace), (1, DropTablespace),
        (6, BeginTransaction), (5, PrepareTransaction), (9, EndTransaction), (2, UseTemporaryTable),
        (3, Checkpoint), (3, Crash), (1, Restart), (2, Promote), (3, LeavePagesOfZeros),
        (14, BackUp), (5, BackUpMeanwhile), (2, StartRestored), (3, DeleteBackup), (2, Collect),
    ];

    // ---- databases and tablespaces

    bool CreateDatabase()
    {
        if (_databases.Count >= 4)
        {
            return false;
        }
        var template = _databases.Count > 0 && Maybe(0.6) ? IdleDatabase() : null;
        var made = CopyOf(template, Name("d"));
        var strategy = _setting.Version >= 15 ? Maybe(0.5) ? " STRATEGY wal_log" : " STRATEGY file_copy" : "";
        if (_setting.Version >= 15 && Maybe(0.5))
        {
            made.Oid = ++_oid;
        }
        var tablespace = _tablespaces.Count > 0 && template?.Tablespace is null && Maybe(0.2) ? One(_tablespaces) : null;
        if (tablespace is not null && (template?.Uses.Contains(tablespace) ?? false))
        {
            tablespace = null;
        }
        made.Tablespace = tablespace ?? template?.Tablespace;
        Sql("postgres", $"CREATE DATABASE {made.Name} TEMPLATE {template?.Name ?? "template0"}{strategy}{(made.Oid is { } oid ? $" OID {oid}" : "")}{(tablespace is null ? "" : $" TABLESPACE {tablespace}")}");
        _databases.Add(made);
        return true;
    }

    bool DropDatabase()
    {
        if (_databases.Count < 3 || IdleDatabase() is not { } database)
        {
            return false;
        }
        Sql("postgres", $"DROP DATABASE {database.Name}");
        _databases.Remove(database);
        return true;
    }

    // A database of the same number, with files of the same numbers, holding something else.
    bool RecreateDatabase()
    {
        var (old, template) = (_databases.Find(static d => d is { Oid: not null, Open: 0 }), IdleDatabase());
        if (old is null || template is null || template == old)
        {
            return false;
        }
        var made = CopyOf(template, Name("d"));
        (made.Oid, made.Tablespace) = (old.Oid, template.Tablespace);
        var strategy = Maybe(0.6) ? "file_copy" : "wal_log";
        Sql("postgres", $"DROP DATABASE {old.Name}", $"CREATE DATABASE {made.Name} TEMPLATE {template.Name} STRATEGY {strategy} OID {old.Oid}");
        _databases.Remove(old);
        _databases.Add(made);
        return true;
    }

    bool MoveDatabase()
    {
        if (IdleDatabase() is not { } database)
        {
            return false;
        }
        var target = database.Tablespace is not null ? null : _tablespaces.Find(t => !database.Uses.Contains(t));
        if (target is null && database.Tablespace is null)
        {
            return false;
        }
        Sql("postgres", $"ALTER DATABASE {database.Name} SET TABLESPACE {target ?? "pg_default"}");
        database.Tablespace = target;
        return true;
    }

    // What is written where the database was for a while comes back without a word about its pages.
    bool MoveDatabaseThereAndBack()
    {
        if (_databases.Find(static d => d is { Open: 0, Tablespace: null }) is not { } database || _tablespaces.Find(t => !database.Uses.Contains(t)) is not { } tablespace)
        {
            return false;
        }
        Sql("postgres", $"ALTER DATABASE {database.Name} SET TABLESPACE {tablespace}");
        if (FreeTable(database) is { } table)
        {
            InsertInto(database, table);
            Sql(database.Name, $"UPDATE {table.Name} SET n = n + 1 WHERE id % {_dice.Next(1, 9)} = 0");
        }
        Sql("postgres", $"ALTER DATABASE {database.Name} SET TABLESPACE pg_default");
        return true;
    }

    bool CreateTablespace()
    {
        if (_tablespaces.Count >= 3)
        {
            return false;
        }
        var name = Name("s");
        Add($"CREATE TABLESPACE {name}", run => run.CreateTablespaceAsync(name));
        _tablespaces.Add(name);
        return true;
    }

    // Refused unless it is empty.
    bool DropTablespace()
    {
        if (_tablespaces.Find(t => !_databases.Exists(d => d.Tablespace == t || d.Uses.Contains(t))) is not { } unused)
        {
            return false;
        }
        Sql("postgres", $"DROP TABLESPACE {unused}");
        _tablespaces.Remove(unused);
        return true;
    }

    ModelDatabase? IdleDatabase()
    {
        var idle = _databases.FindAll(static d => d.Open == 0);
        return idle.Count > 0 ? One(idle) : null;
    }

    static ModelDatabase CopyOf(ModelDatabase? template, string name)
    {
        var made = new ModelDatabase(name);
        made.Tables.AddRange(template?.Tables.Select(static t => t.Copy()) ?? []);
        made.Sequences.AddRange(template?.Sequences ?? []);
        made.Uses.UnionWith(template?.Uses ?? []);
        return made;
    }

    // ---- the server

    bool Checkpoint()
    {
        Sql("postgres", "CHECKPOINT");
        return true;
    }

    bool Crash()
    {
        var isKill = Maybe(0.6);
        Add(isKill ? "kill -9 and start" : "immediate stop and start", run => run.CrashAsync(isKill));
        LoseSessions();
        return true;
    }

    bool Restart()
    {
        Add("restart", static run => run.RestartAsync());
        LoseSessions();
        return true;
    }

    bool Promote()
    {
        var isCrash = Maybe(0.5);
        Add(isCrash ? "immediate stop, start as a standby, promote" : "stop, start as a standby, promote", run => run.PromoteAsync(isCrash));
        LoseSessions();
        return true;
    }

    // A relation grows before the WAL says what for: in a crash the pages stay, and stay empty. In place of pages that are in the last backup, if it has some.
    bool LeavePagesOfZeros()
    {
        var database = Database;
        if (FreeTable(database) is not { IsUnlogged: false } table || table.Next < 200)
        {
            return false;
        }
        if (Maybe(0.7))
        {
            // By place: the newest versions of old rows are at the end, too.
            Sql(database.Name, $"DELETE FROM {table.Name} WHERE ctid >= format('(%s,0)', pg_relation_size('{table.Name}') / 8192 * {_dice.Next(1, 8)} / 8)::tid");
            if (Maybe(0.6))
            {
                // The pages that go have then not changed since the backup.
                Sql(database.Name, $"VACUUM (TRUNCATE false) {table.Name}");
                BackUp();
            }
            Sql(database.Name, $"VACUUM (TRUNCATE) {table.Name}", "CHECKPOINT");
        }
        var (first, count) = (table.Next, _dice.Next(50, 400));
        table.Next += count;
        var name = Name("session");
        Add($"{database.Name}: {name}: BEGIN; {count} rows into {table.Name}", run => run.HoldAsync(name, database.Name, "BEGIN", Rows(table, first, count, isWide: false)));
        Add("kill -9 and start", static run => run.CrashAsync(isKill: true));
        LoseSessions();
        return true;
    }

    // ---- backups

    bool BackUp()
    {
        var isFull = Maybe(0.1);
        Add(isFull ? "a full backup, compared" : "a backup, compared", run => run.BackUpAtRestAsync(isFull));
        return true;
    }

    bool BackUpMeanwhile()
    {
        var before = _steps;
        var meanwhile = _steps = [];
        var choices = DataChoices().Concat([(2, Checkpoint), (2, DeleteBackup), (1, Collect)]).ToList();
        var total = choices.Sum(static c => c.Weight);
        for (var left = _dice.Next(3, 9); left > 0;)
        {
            var dice = _dice.Next(total);
            if (choices.First(c => (dice -= c.Weight) < 0).TryMake())
            {
                left--;
            }
        }
        _steps = before;
        var isFull = Maybe(0.3);
        var text = string.Join("\n", meanwhile.Select(static s => $"        {s.Text}"));
        Add($"{(isFull ? "a full backup" : "a backup")}, and during it\n{text}", run => run.BackUpMeanwhileAsync(isFull, meanwhile));
        return true;
    }

    bool StartRestored()
    {
        EndAllTransactions();
        var age = _dice.NextDouble();
        Add(string.Create(CultureInfo.InvariantCulture, $"a backup ({age:0.00} old) is restored and started"), run => run.StartRestoredAsync(age));
        return true;
    }

    bool DeleteBackup()
    {
        var age = _dice.NextDouble();
        Add(string.Create(CultureInfo.InvariantCulture, $"a backup ({age:0.00} old) is deleted"), run => run.DeleteAsync(age));
        return true;
    }

    bool Collect()
    {
        // Now and then too little to write anew what is worth it.
        var budget = One([0L, 200_000, 1L << 30]);
        Add(string.Create(CultureInfo.InvariantCulture, $"collection, a budget of {budget} bytes"), run => run.CollectAsync(budget));
        return true;
    }

    // ---- tools

    void Add(string text, Func<HistoryRun, Task> step) => _steps.Add(new(text, step));

    void Sql(string database, params string[] statements) => _steps.Add(HistoryStep.Sql(database, statements));

    string Name(string prefix) => string.Create(CultureInfo.InvariantCulture, $"{prefix}{++_names}");

    bool Maybe(double probability) => _dice.NextDouble() < probability;

    T One<T>(IReadOnlyList<T> of) => of[_dice.Next(of.Count)];
}
