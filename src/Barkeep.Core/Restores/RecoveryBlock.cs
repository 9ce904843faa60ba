namespace Barkeep.Restores;

/// <summary>
/// What a restore writes at the end of postgresql.auto.conf, between two comments by which the next restore, of a backup of the restored cluster, knows
/// it again. ALTER SYSTEM drops comments: what was in a block is then the user's, like all else.
/// </summary>
static class RecoveryBlock
{
    /// <summary>Before a line that is not to count any more.</summary>
    public const string LeftOut = "# left out by barkeep: ";

    const string Begin = "# Written by barkeep with the restore of backup ";
    const string End = "# End of what barkeep wrote.";

    static readonly HashSet<string> Recovery =
    [
        "restore_command", "recovery_target_timeline", "recovery_target", "recovery_target_time", "recovery_target_xid", "recovery_target_lsn", "recovery_target_name",
        "recovery_target_inclusive", "recovery_target_action", "hot_standby",
    ];

    /// <summary>The lines, counted from 0, that mean nothing after the restore that wrote them: the comments around a block, and how that restore's recovery went.</summary>
    public static IReadOnlySet<int> FindEarlier(IReadOnlyList<string> lines)
    {
        var found = new HashSet<int>();
        var within = false;
        for (var i = 0; i < lines.Count; i++)
        {
            var (begins, ends) = (lines[i].StartsWith(Begin, StringComparison.Ordinal), lines[i].StartsWith(End, StringComparison.Ordinal));
            within = begins || (within && !ends);
            if (begins || ends || (within && ConfLine.TryParse("", i, lines[i]) is { } line && Recovery.Contains(line.Name)))
            {
                found.Add(i);
            }
        }
        return found;
    }

    /// <summary>Appends the block.</summary>
    /// <returns>For each setting its line, from 1.</returns>
    public static IReadOnlyList<int> Append(List<string> lines, string backup, IEnumerable<(string Name, string Value)> settings)
    {
        var numbers = new List<int>();
        lines.Add($"{Begin}{backup}: how its recovery goes, and nothing that reaches the original.");
        foreach (var (name, value) in settings)
        {
            lines.Add($"{name} = {RecordedSettings.Quote(value)}");
            numbers.Add(lines.Count);
        }
        lines.Add(End);
        return numbers;
    }
}
