namespace Barkeep.Repo;

/// <summary>A timeline history file in a tar that a backup was exported to. Names and types are persisted.</summary>
/// <param name="Hash">XXH128 of the file, 32 hex digits.</param>
public sealed record ExportedHistory(uint Timeline, string Hash);
