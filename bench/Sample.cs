namespace Barkeep.Bench;

/// <summary>What one run of one tool took. NaN: not measured.</summary>
sealed record Sample
{
    /// <summary>Seconds, from start to end of the command.</summary>
    public double Wall { get; init; } = double.NaN;

    /// <summary>Seconds of the command and what it started.</summary>
    public double ClientCpu { get; init; } = double.NaN;

    /// <summary>Seconds of PostgreSQL's processes meanwhile, its archive_command included.</summary>
    public double ServerCpu { get; init; } = double.NaN;

    /// <summary>Of the largest process, MiB.</summary>
    public double Peak { get; init; } = double.NaN;

    /// <summary>What a backup added to the repository without WAL, or the size of its directory; MB.</summary>
    public double Stored { get; init; } = double.NaN;

    /// <summary>What the tool says it read from the server, MB.</summary>
    public double Read { get; init; } = double.NaN;

    /// <summary>Changed pages according to PostgreSQL's WAL summaries, MB.</summary>
    public double Changed { get; init; } = double.NaN;

    /// <summary>Received WAL, MB.</summary>
    public double Wal { get; init; } = double.NaN;

    public double Cpu => ClientCpu + (double.IsNaN(ServerCpu) ? 0 : ServerCpu);
}
