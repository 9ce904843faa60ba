namespace Barkeep.Postgres;

/// <summary>One running server, told from the others of its cluster that the same address may lead to, and from itself before a restart.</summary>
/// <param name="StartedAt">When its postmaster started, to the microsecond.</param>
public readonly record struct ServerInstance(ulong SystemId, bool IsInRecovery, DateTime StartedAt)
{
    /// <summary>Which one a session is connected to. Every role may ask.</summary>
    public static async Task<ServerInstance> ReadAsync(SqlSession session, CancellationToken cancellationToken) =>
        (await session.ListAsync("asking which server it is", "SELECT system_identifier, pg_is_in_recovery(), pg_postmaster_start_time() FROM pg_control_system()",
            static r => new ServerInstance((ulong)r.GetInt64(0), r.GetBoolean(1), r.GetDateTime(2)), cancellationToken))[0];

    /// <summary><c>a standby of system 7713717735561606956 that runs since 2026-11-23 13:12:51.123456Z</c></summary>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"a {(IsInRecovery ? "standby" : "primary")} of system {SystemId} that runs since {StartedAt:yyyy-MM-dd HH:mm:ss.ffffff}Z");
}
