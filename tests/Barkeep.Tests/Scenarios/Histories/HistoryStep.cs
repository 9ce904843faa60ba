namespace Barkeep.Tests.Scenarios.Histories;

/// <summary>One thing that happens in a history.</summary>
/// <param name="Text">What happens, for people to read when the history has found something.</param>
/// <param name="RunAsync">Makes it happen.</param>
sealed record HistoryStep(string Text, Func<HistoryRun, Task> RunAsync)
{
    /// <summary>Statements in a session of their own, each a transaction unless it says otherwise.</summary>
    public static HistoryStep Sql(string database, params string[] statements) =>
        new($"{database}: {string.Join("; ", statements)}", run => run.SqlAsync(database, statements));
}
