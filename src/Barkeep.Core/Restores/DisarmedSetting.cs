namespace Barkeep.Restores;

/// <summary>
/// A setting that the restored cluster does not have as the original had it: that would reach out to the original's surroundings, or keep PostgreSQL from
/// starting. Prints itself as Barman does.
/// </summary>
/// <param name="File">Of the restored data directory, relative to it.</param>
/// <param name="Line">Where it stands there now, from 1; what was left out stands there as a comment.</param>
/// <param name="Value">Null when it is left out.</param>
public sealed record DisarmedSetting(string File, int Line, string Name, string? Value)
{
    public override string ToString() => $"{File} line {Line}: {Name} {(Value is null ? "is left out" : $"= {(Value.Length == 0 ? "''" : Value)}")}";
}
