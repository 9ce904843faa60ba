using Barkeep.Common;
using Barkeep.Postgres;
using Xunit;

namespace Barkeep.Tests.Postgres;

public sealed class ScramVerifierTests
{
    [Theory]
    [InlineData("plain")]
    [InlineData("mötley 'crüe'")]
    public async Task A_role_that_was_given_a_verifier_gets_in_with_its_password_and_no_other(string password)
    {
        var token = TestContext.Current.CancellationToken;
        await using var server = await ThrowawayServer.StartAsync("host replication verified 127.0.0.1/32 scram-sha-256", "");
        await server.SqlAsync($"CREATE ROLE verified REPLICATION LOGIN PASSWORD '{ScramVerifier.For(new(password))}'");
        var target = new ConnectionTarget { Host = "127.0.0.1", Port = server.Port, User = "verified", Password = new(password) };

        await using (var connection = await ReplicationConnection.ConnectAsync(target, token))
        {
            Assert.NotEqual(0UL, (await connection.IdentifySystemAsync(token)).SystemId);
        }
        var refusal = await Assert.ThrowsAsync<BarkeepException>(() => ReplicationConnection.ConnectAsync(target with { Password = new("another") }, token));
        Assert.Equal(ErrorKind.AuthenticationFailed, refusal.Kind);
    }
}
