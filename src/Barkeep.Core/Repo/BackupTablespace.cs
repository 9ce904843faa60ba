namespace Barkeep.Repo;

/// <summary>A tablespace as it was when the backup was taken.</summary>
/// <param name="Oid">The name of its link in pg_tblspc.</param>
/// <param name="Location">Its directory on the server.</param>
public sealed record BackupTablespace(uint Oid, string Name, string Location);
