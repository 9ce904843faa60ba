using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>A WAL file that was refused because it contradicts what the repository has, as other bytes of that name do, kept apart for a person to look at.</summary>
/// <param name="File">Its name.</param>
/// <param name="ObjectName">Where these bytes are, from the repository's root.</param>
public sealed record WalConflict(WalFileName File, string ObjectName);
