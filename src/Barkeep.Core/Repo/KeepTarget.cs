namespace Barkeep.Repo;

/// <summary>How much stays with a backup that is kept until it is released; Barman's words.</summary>
public enum KeepTarget
{
    /// <summary>The backup and the WAL that makes it consistent: its own end can be restored, nothing later.</summary>
    Standalone,

    /// <summary>The backup and all WAL from it on.</summary>
    Full,
}
