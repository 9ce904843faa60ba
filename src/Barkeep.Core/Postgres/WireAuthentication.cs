using System.Security.Cryptography;
using System.Text;
using Barkeep.Common;

namespace Barkeep.Postgres;

/// <summary>Answers what the server asks between startup packet and AuthenticationOk: nothing, a password, MD5 or SCRAM-SHA-256.</summary>
static class WireAuthentication
{
    const byte PasswordMessage = (byte)'p';
    const int Ok = 0;
    const int CleartextPassword = 3;
    const int Md5Password = 5;
    const int Sasl = 10;
    const int SaslContinue = 11;
    const int SaslFinal = 12;

    /// <exception cref="BarkeepException">As the server refuses; AuthenticationFailed when it cannot prove that it knows the password.</exception>
    public static async Task RunAsync(WireConnection connection, bool replication, CancellationToken cancellationToken)
    {
        ScramClient? scram = null;
        while (true)
        {
            var message = await connection.ReadAsync(cancellationToken);
            if (message.Type == WireMessage.ErrorResponse)
            {
                throw ServerError.Read(message.Read()).WhileConnecting(connection.Target, replication);
            }
            if (message.Type == WireMessage.NegotiateProtocolVersion)
            {
                continue;
            }
            if (message.Type != WireMessage.Authentication)
            {
                throw WireReader.Malformed($"message '{(char)message.Type}' during authentication");
            }
            var (request, data) = Split(message);
            if (request == Ok)
            {
                // A server that began SCRAM must finish it: otherwise anyone could pose as one.
                if (scram is { IsServerProven: false })
                {
                    throw Failed(connection, "the server has not proven that it knows the password", ScramClient.WhatToDo);
                }
                return;
            }
            if (request == Sasl)
            {
                scram = ScramClient.Begin(data, Password(connection), connection.Stream as System.Net.Security.SslStream);
            }
            if (Answer(connection, request, data, scram) is { } answer)
            {
                await connection.SendAsync(PasswordMessage, answer, cancellationToken);
            }
        }
    }

    static (int Request, byte[] Data) Split(WireMessage message)
    {
        var reader = message.Read();
        return (reader.Int32(), reader.Rest.ToArray());
    }

    static byte[]? Answer(WireConnection connection, int request, byte[] data, ScramClient? scram)
    {
        switch (request)
        {
            case CleartextPassword:
                return Encoding.UTF8.GetBytes(Password(connection) + '\0');
            case Md5Password when data.Length >= 4:
                return Encoding.ASCII.GetBytes(Md5(connection.Target.User, Password(connection), data.AsSpan(0, 4)) + '\0');
            case Sasl:
                return scram!.FirstMessage();
            case SaslContinue when scram is not null:
                return scram.Respond(data);
            case SaslFinal when scram is not null:
                scram.CheckServer(data);
                return null;
            default:
                throw Failed(connection, $"the server asks for authentication method {request}, which is not supported", "use scram-sha-256 in pg_hba.conf");
        }
    }

    static string Password(WireConnection connection) => connection.Target.Password.IsEmpty
        ? throw Failed(connection, "the server asks for a password and none is configured", "set that role's, pass_stream or pass_backup")
        : connection.Target.Password.Reveal();

    /// <summary>protocol-flow.html, AuthenticationMD5Password.</summary>
    static string Md5(string user, string password, ReadOnlySpan<byte> salt)
    {
#pragma warning disable CA5351 // The server chose MD5; the alternative is not to connect.
        var inner = Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(password + user)));
        return "md5" + Convert.ToHexStringLower(MD5.HashData([.. Encoding.ASCII.GetBytes(inner), .. salt]));
#pragma warning restore CA5351
    }

    static BarkeepException Failed(WireConnection connection, string what, string hint) =>
        new(ErrorKind.AuthenticationFailed, $"{connection.Target}: {what}", hint);
}
