using Barkeep.Wal;

namespace Barkeep.Repo;

/// <summary>A WAL file that was refused because the repository has other bytes of that name, kept apart for a person to look at.</summary>
/// <param name="File">The name that both have.</param>
/// <param name="ObjectName">Where these bytes are, from the repository's root.</param>
public sealed record WalConflict(WalFileName File, string ObjectName);
