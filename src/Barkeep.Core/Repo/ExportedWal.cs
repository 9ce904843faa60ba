namespace Barkeep.Repo;

/// <summary>A segment in a tar that a backup was exported to (docs/format.md, "Exports"). Names and types are persisted.</summary>
/// <param name="Name">The segment's.</param>
/// <param name="Hash">XXH128 of its bytes as they were received, 32 hex digits.</param>
/// <param name="Replaced">What a restore replaces in it: offset and original value of each byte.</param>
public sealed record ExportedWal(string Name, string Hash, IReadOnlyList<IReadOnlyList<int>> Replaced);
