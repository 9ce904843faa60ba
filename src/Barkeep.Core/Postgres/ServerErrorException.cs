namespace Barkeep.Postgres;

/// <summary>The server's own error behind a <see cref="Common.BarkeepException"/>, for callers that decide by SQLSTATE.</summary>
sealed class ServerErrorException(ServerError error) : Exception($"{error.SqlState}: {error.Message}")
{
    public ServerError Error { get; } = error;
}
