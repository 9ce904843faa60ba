namespace Barkeep.Health;

/// <summary>One line of a check: what was looked at, whether it is well, and what there is to know or do.</summary>
public sealed record Finding(string Name, bool Passed, string? Hint)
{
    /// <summary>The name for scripts: lower case, <c>_</c> for spaces and dashes, no dots.</summary>
    public string Key => Name.ToLowerInvariant().Replace(' ', '_').Replace('-', '_').Replace(".", "", StringComparison.Ordinal);

    /// <summary>The outcome in a word.</summary>
    public string Status => Passed ? "OK" : "FAILED";

    public static Finding Ok(string name, string? hint = null) => new(name, true, hint);

    public static Finding Failed(string name, string hint) => new(name, false, hint);

    /// <summary><c>replication slot: FAILED (it does not exist: …)</c>.</summary>
    public override string ToString() => Hint is null ? $"{Name}: {Status}" : $"{Name}: {Status} ({Hint})";
}
