namespace Barkeep.Common;

/// <summary>
/// What went wrong, one kind for each thing that a person or a script would do differently.
/// The number is the process's exit code and never changes once released; 1 and 2 keep the meaning
/// that they have in Barman (a check failed; the command line is wrong).
/// </summary>
public enum ErrorKind
{
    /// <summary>A check did not pass, or a command failed in a way that has no kind of its own.</summary>
    Failed = 1,

    /// <summary>The command line cannot be understood.</summary>
    Usage = 2,

    /// <summary>A WAL file name is malformed.</summary>
    BadWalName = 3,

    /// <summary>A configuration file or variable cannot be used: malformed JSON, an unknown key, a bad value.</summary>
    Configuration = 10,

    /// <summary>No server of that name is configured.</summary>
    UnknownServer = 11,

    /// <summary>No backup of that id exists.</summary>
    UnknownBackup = 12,

    /// <summary>The server is configured, but setup-barman has not been run for it.</summary>
    NotSetUp = 13,

    /// <summary>PostgreSQL cannot be reached.</summary>
    ServerUnreachable = 20,

    /// <summary>PostgreSQL does not accept the user, the password or the certificate.</summary>
    AuthenticationFailed = 21,

    /// <summary>The streaming role lacks the REPLICATION attribute, or pg_hba.conf does not let it in.</summary>
    NoReplicationPrivilege = 22,

    /// <summary>The backup role lacks a grant.</summary>
    MissingGrant = 23,

    /// <summary>wal_level is minimal: the WAL does not suffice for a restore.</summary>
    WalLevelMinimal = 24,

    /// <summary>All of the server's WAL senders or connections are in use.</summary>
    NoFreeWalSender = 25,

    /// <summary>Another client uses the replication slot.</summary>
    SlotInUse = 26,

    /// <summary>The replication slot does not exist, or the server has invalidated it.</summary>
    SlotMissing = 27,

    /// <summary>Another database cluster answers at this address than the one in the repository.</summary>
    WrongSystem = 28,

    /// <summary>The PostgreSQL version or build is not supported.</summary>
    UnsupportedServer = 29,

    /// <summary>The connection to PostgreSQL broke while it was in use.</summary>
    ConnectionLost = 30,

    /// <summary>PostgreSQL rejected a statement.</summary>
    ServerError = 31,

    /// <summary>WAL that is needed has not been received, or has been removed: there is a gap.</summary>
    WalGap = 32,

    /// <summary>The received WAL differs from what was received before at the same place.</summary>
    WalDiverged = 33,

    /// <summary>WAL that is awaited has not arrived in time.</summary>
    WalTimeout = 34,

    /// <summary>Something in the repository was written by a newer version of Barkeep.</summary>
    NewerRepository = 40,

    /// <summary>Stored bytes do not match their hash, or contradict themselves.</summary>
    Damaged = 41,

    /// <summary>An object that the repository refers to is not there.</summary>
    ObjectMissing = 42,

    /// <summary>A disk is full, or a quota is reached.</summary>
    DiskFull = 43,

    /// <summary>The operating system refuses to read or write (permission, read-only, I/O error).</summary>
    Storage = 44,

    /// <summary>The backup cannot be used: it failed, or its WAL is not complete.</summary>
    BackupUnusable = 45,

    /// <summary>Another process is doing this already.</summary>
    Busy = 46,

    /// <summary>The restore directory is not empty.</summary>
    TargetNotEmpty = 50,

    /// <summary>The restore directory is not a directory.</summary>
    TargetNotDirectory = 51,

    /// <summary>The restore directory cannot be written.</summary>
    TargetUnwritable = 52,

    /// <summary>The restore directory has too little room.</summary>
    TargetTooSmall = 53,

    /// <summary>PostgreSQL is running on the restore directory.</summary>
    TargetInUse = 54,

    /// <summary>A manifest names a path outside the restore directory, or one that PostgreSQL would not write.</summary>
    HostilePath = 55,

    /// <summary>Nothing to restore: no usable backup exists.</summary>
    NoUsableBackup = 56,

    /// <summary>Recovery would not come to its target, from this backup or with the WAL that was received, or a database would be half dropped there.</summary>
    TargetUnreachable = 57,

    /// <summary>The user or the system asked the process to stop.</summary>
    Interrupted = 130,
}
