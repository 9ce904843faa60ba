using System.Net.Sockets;
using System.Security.Authentication;
using Barkeep.Common;
using Npgsql;

namespace Barkeep.Postgres;

/// <summary>
/// What a failure of an SQL connection means to the user. Decided by SQLSTATE, never by the text, which comes in the
/// server's language. The texts of PostgreSQL and Npgsql hold no passwords.
/// </summary>
static class SqlFailure
{
    const int MaximumText = 500;

    /// <summary>The exception for a failure to connect.</summary>
    /// <param name="refusal">Why the server's certificate did not pass, if that was it.</param>
    public static BarkeepException WhileConnecting(Exception error, ConnectionTarget target, string? refusal) => error switch
    {
        PostgresException e => WhileConnecting(e, target),
        _ when refusal is not null =>
            new(ErrorKind.AuthenticationFailed, $"{target}: {refusal}", "check sslmode, sslrootcert and the host's name", error),
        _ when Find<AuthenticationException>(error) is { } e =>
            new(ErrorKind.AuthenticationFailed, $"{target}: TLS failed: {OneLine(e.Message)}", "check sslmode and the certificates", error),
        _ when Find<SocketException>(error) is { } e =>
            ConnectFailure.Of(target, e, error),
        _ when Find<TimeoutException>(error) is not null =>
            new(ErrorKind.ServerUnreachable, $"{target} does not answer within {target.ConnectTimeout.TotalSeconds:0} s", "check host, port and firewall", error),
        NpgsqlException e when e.Message.Contains("password", StringComparison.OrdinalIgnoreCase) =>
            new(ErrorKind.AuthenticationFailed, $"{target} asks for a password", "set pass_backup", error),
        NpgsqlException e when e.Message.Contains("SSL", StringComparison.Ordinal) =>
            new(ErrorKind.AuthenticationFailed, $"{target}: the server has no TLS", "set ssl = on there, or another sslmode here", error),
        _ => new(ErrorKind.ServerUnreachable, $"{target} cannot be connected to: {OneLine(error.Message)}", ConnectFailure.WhatToDo, error),
    };

    /// <summary>The exception for a failure of a statement.</summary>
    public static BarkeepException WhileRunning(Exception error, ConnectionTarget target, string doing) => error switch
    {
        PostgresException { SqlState: "42501" } e =>
            new(ErrorKind.MissingGrant, $"{target}: {doing}: {OneLine(e.MessageText)}", "setup-barman --print-sql lists the grants", error),
        PostgresException { SqlState: "57P01" or "57P02" or "57P03" or "57P05" } e =>
            new(ErrorKind.ConnectionLost, $"{target}: the connection was ended while {doing}: {OneLine(e.MessageText)}", "try again when the server is up", error),
        PostgresException e => new(ErrorKind.ServerError, $"{target}: {doing}: {OneLine(e.MessageText)}", null, error),
        _ => new(ErrorKind.ConnectionLost, $"{target}: the connection broke while {doing}: {OneLine((error.InnerException ?? error).Message)}", "if the server's log does not say why, look at the network", error),
    };

    static BarkeepException WhileConnecting(PostgresException e, ConnectionTarget target) => e.SqlState switch
    {
        "28000" or "28P01" => new(ErrorKind.AuthenticationFailed, $"{target} is not let in: {OneLine(e.MessageText)}", "check user_backup, pass_backup and pg_hba.conf", e),
        "42501" => new(ErrorKind.MissingGrant, $"{target} may not connect: {OneLine(e.MessageText)}", "GRANT CONNECT ON DATABASE to the role", e),
        "53300" => new(ErrorKind.NoFreeWalSender, $"{target} finds no free connection: {OneLine(e.MessageText)}", "raise max_connections, or end a session that is not needed", e),
        "3D000" => new(ErrorKind.Configuration, $"{target} has no such database: {OneLine(e.MessageText)}", "check dbname", e),
        "57P01" or "57P02" or "57P03" => new(ErrorKind.ServerUnreachable, $"{target} is not ready: {OneLine(e.MessageText)}", "it is starting or stopping", e),
        _ => new(ErrorKind.ServerError, $"{target} refuses the connection: {OneLine(e.MessageText)}", "the server's log may say more", e),
    };

    static T? Find<T>(Exception? error) where T : Exception
    {
        for (; error is not null; error = error.InnerException)
        {
            if (error is T found)
            {
                return found;
            }
            if (error is AggregateException { InnerExceptions: var all })
            {
                return all.Select(Find<T>).FirstOrDefault(static e => e is not null);
            }
        }
        return null;
    }

    static string OneLine(string text)
    {
        var line = text.ReplaceLineEndings(" ");
        return line.Length <= MaximumText ? line : line[..MaximumText];
    }
}
