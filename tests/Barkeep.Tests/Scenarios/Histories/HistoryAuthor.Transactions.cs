namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>Transactions that last: across backups, and prepared ones across crashes.</summary>
sealed partial class HistoryAuthor
{
    bool BeginTransaction()
    {
        var database = Database;
        if (FreeTable(database) is not { } table)
        {
            return false;
        }
        var (statements, onCommit) = Work(database, table);
        var name = Name("session");
        Add($"{database.Name}: {name}: BEGIN; {string.Join("; ", statements)}", run => run.HoldAsync(name, database.Name, ["BEGIN", .. statements]));
        Hold(new(name, database, IsPrepared: false, table, onCommit));
        return true;
    }

    bool PrepareTransaction()
    {
        var database = Database;
        if (FreeTable(database) is not { IsUnlogged: false } table)
        {
            return false;
        }
        var (statements, onCommit) = Work(database, table);
        var name = Name("p");
        Sql(database.Name, ["BEGIN", .. statements, $"PREPARE TRANSACTION '{name}'"]);
        Hold(new(name, database, IsPrepared: true, table, onCommit));
        return true;
    }

    bool EndTransaction()
    {
        if (_transactions.Count == 0)
        {
            return false;
        }
        End(One(_transactions), Maybe(0.65));
        return true;
    }

    void EndAllTransactions()
    {
        while (_transactions.Count > 0)
        {
            End(_transactions[0], Maybe(0.65));
        }
    }

    // Also of a session that has not been told to keep it.
    bool UseTemporaryTable()
    {
        var database = Database;
        var name = Name("session");
        string[] statements = ["CREATE TEMPORARY TABLE temp AS SELECT i, md5(i::text) FROM generate_series(1, 3000) i", "CREATE INDEX ON temp (i)", "BEGIN", "SELECT count(*) FROM temp"];
        Add($"{database.Name}: {name}: {string.Join("; ", statements)}", run => run.HoldAsync(name, database.Name, statements));
        Hold(new(name, database, IsPrepared: false, Table: null, OnCommit: null));
        return true;
    }

    // Something that one transaction does, and what its commit changes in the model.
    (string[] Statements, Action? OnCommit) Work(ModelDatabase database, ModelTable table)
    {
        switch (_dice.Next(6))
        {
            case 0:
                return ([$"DROP TABLE {table.Name} CASCADE"], () => database.Tables.Remove(table));
            case 1:
                return ([$"TRUNCATE {table.Name}", Take(table, _dice.Next(1, 300))], null);
            case 2:
                // Made and emptied by the same transaction: truncated in place.
                var made = new ModelTable(Name("t"));
                string[] statements =
                [
                    .. Creation(made), Take(made, 600), $"CREATE INDEX {made.Name}_n ON {made.Name} (n)", $"TRUNCATE {made.Name}", Take(made, 200),
                ];
                made.Indexes.Add($"{made.Name}_n");
                return (statements, () => database.Tables.Add(made));
            case 3:
                return ([$"DELETE FROM {table.Name} WHERE id % 3 = {_dice.Next(3)}", "SAVEPOINT a", $"UPDATE {table.Name} SET n = n + 1 WHERE id % 5 = 0", "ROLLBACK TO a", Take(table, 100)], null);
            case 4:
                return ([$"SELECT count(*) FROM (SELECT FROM {table.Name} WHERE id % 7 = 0 FOR KEY SHARE) AS locked", "SAVEPOINT a", $"UPDATE {table.Name} SET n = n + 1 WHERE id % 14 = 0", $"SELECT lo_from_bytea(0, '\\x{new string('7', 6000)}')"], null);
            default:
                return ([Take(table, _dice.Next(100, 1500)), $"UPDATE {table.Name} SET s = s || '.' WHERE id % {_dice.Next(2, 20)} = 0"], null);
        }
    }

    void Hold(ModelTransaction transaction)
    {
        transaction.Database.Open++;
        if (transaction.Table is { } table)
        {
            table.IsLocked = true;
        }
        _transactions.Add(transaction);
    }

    void End(ModelTransaction transaction, bool isCommit)
    {
        var verb = isCommit ? "COMMIT" : "ROLLBACK";
        if (transaction.IsPrepared)
        {
            Sql(transaction.Database.Name, $"{verb} PREPARED '{transaction.Name}'");
        }
        else
        {
            Add($"{transaction.Database.Name}: {transaction.Name}: {verb}", run => run.ReleaseAsync(transaction.Name, verb));
        }
        Forget(transaction);
        if (isCommit)
        {
            transaction.OnCommit?.Invoke();
        }
    }

    void Forget(ModelTransaction transaction)
    {
        transaction.Database.Open--;
        if (transaction.Table is { } table)
        {
            table.IsLocked = false;
        }
        _transactions.Remove(transaction);
    }

    // Of those that ended with the server nothing remains; a prepared one does.
    void LoseSessions()
    {
        foreach (var lost in _transactions.FindAll(static t => !t.IsPrepared))
        {
            Forget(lost);
        }
    }
}
