namespace Barkeep.Restores;

/// <summary>Whose the restored files are, and who else may read them.</summary>
/// <param name="Uid">Null leaves them with the user that restores.</param>
/// <param name="Gid">Null as <paramref name="Uid"/>.</param>
/// <param name="GroupAccess">0750 and 0640 instead of 0700 and 0600, as PostgreSQL's initdb --allow-group-access makes them.</param>
public readonly record struct Ownership(int? Uid, int? Gid, bool GroupAccess)
{
    internal uint DirectoryMode => GroupAccess ? 0x1E8u : 0x1C0u;

    internal uint FileMode => GroupAccess ? 0x1A0u : 0x180u;
}
