using Barkeep.Common;

namespace Barkeep.Postgres;

/// <summary>
/// An ErrorResponse (protocol-error-fields.html). Kinds follow SQLSTATE and the routine's name, never the text,
/// which comes in the server's language.
/// </summary>
sealed record ServerError(string Severity, string SqlState, string Message, string Detail, string Routine)
{
    const int MaximumText = 500;

    public const string ObjectInUse = "55006";
    public const string PrerequisiteState = "55000";
    public const string UndefinedFile = "58P01";
    public const string UndefinedObject = "42704";
    public const string DuplicateObject = "42710";

    /// <summary>Whether the server ends the connection after it, without ReadyForQuery.</summary>
    public bool EndsConnection => Severity is "FATAL" or "PANIC";

    public static ServerError Read(WireReader reader)
    {
        var (severity, state, message, detail, routine) = ("", "XX000", "no message", "", "");
        while (reader.Left > 0 && reader.Byte() is var field && field != 0)
        {
            var value = reader.Text();
            switch ((char)field)
            {
                // V is the severity in English (9.6+), S in the server's language.
                case 'V': severity = value; break;
                case 'C': state = value; break;
                case 'M': message = OneLine(value); break;
                case 'D': detail = OneLine(value); break;
                case 'R': routine = value; break;
            }
        }
        return new(severity, state, message, detail, routine);
    }

    /// <summary>The exception for an error while a connection is being made.</summary>
    public BarkeepException WhileConnecting(ConnectionTarget target, bool replication) => SqlState switch
    {
        "28000" when replication && Routine is "ClientAuthentication" => Failure(ErrorKind.NoReplicationPrivilege, $"{target} is not let in",
            $"add a line like \"host replication {target.User} ADDRESS scram-sha-256\" to pg_hba.conf and reload"),
        "28000" or "28P01" => Failure(ErrorKind.AuthenticationFailed, $"{target} is not let in", "check the user and its password"),
        "42501" when replication => Failure(ErrorKind.NoReplicationPrivilege, $"{target} may not stream",
            $"ALTER ROLE {target.User} WITH REPLICATION"),
        "53300" => Failure(ErrorKind.NoFreeWalSender, $"{target} finds no free connection",
            replication ? "raise max_wal_senders, or end a WAL sender that is not needed" : "raise max_connections, or end a session that is not needed"),
        "57P03" => Failure(ErrorKind.ServerUnreachable, $"{target} is not ready", "it is starting or stopping"),
        "57P01" or "57P02" => Failure(ErrorKind.ServerUnreachable, $"{target} is shutting down", "try again when it is up"),
        "3D000" => Failure(ErrorKind.Configuration, $"{target} has no such database", "check dbname"),
        _ => Failure(ErrorKind.ServerError, $"{target} refuses the connection", "the server's log may say more"),
    };

    /// <summary>The exception for an error that answers a command.</summary>
    public BarkeepException WhileRunning(ConnectionTarget target, string doing) => SqlState switch
    {
        ObjectInUse => Failure(ErrorKind.SlotInUse, doing, "each receiver needs a slot of its own"),
        UndefinedObject => Failure(ErrorKind.SlotMissing, doing, null),
        DuplicateObject => Failure(ErrorKind.ServerError, $"{target}: {doing}", "--if-not-exists takes it as it is; another slot_name makes another; barman receive-wal --drop-slot removes one that nobody uses"),
        // The slot has been invalidated (16 and later say so here).
        PrerequisiteState => Failure(ErrorKind.SlotMissing, doing, null),
        UndefinedFile => Failure(ErrorKind.WalGap, doing, null),
        "42501" => Failure(ErrorKind.MissingGrant, $"{target}: {doing}", "setup-barman --print-sql lists the grants"),
        "53300" or "53400" => Failure(ErrorKind.NoFreeWalSender, doing, "raise max_wal_senders and max_replication_slots"),
        "57P01" or "57P02" or "57P03" => Failure(ErrorKind.ConnectionLost, $"{target} is shutting down", null),
        _ => Failure(ErrorKind.ServerError, $"{target}: {doing}", null),
    };

    BarkeepException Failure(ErrorKind kind, string what, string? hint) =>
        new(kind, Detail.Length == 0 ? $"{what}: {Message}" : $"{what}: {Message}: {Detail}", hint, new ServerErrorException(this));

    static string OneLine(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length <= MaximumText ? line : line[..MaximumText];
    }
}
