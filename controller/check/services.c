/*
 * The ports of services that are not meant for strangers. A row is data: which port of which protocol, what listens there,
 * what that is to somebody who gets at it, how bad that is, and where the port is from. "IANA" is its registry of service
 * names and port numbers; else it is the product's own documentation.
 */
#include "exposure.h"

#include <netinet/in.h>

#include "quaywall/mem.h"

#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

/* By port. */
static const struct service services[] = {
	{TCP, 23, "telnet", "a login in clear text", CHECK_HIGH, "IANA: telnet"},
	{TCP, 111, "rpcbind", "the directory of RPC services", CHECK_HIGH, "IANA: sunrpc"},
	{TCP, 389, "LDAP", "a directory of accounts", CHECK_HIGH, "IANA: ldap"},
	{TCP, 445, "SMB", "file shares", CHECK_HIGH, "IANA: microsoft-ds"},
	{TCP, 873, "rsync", "file shares", CHECK_HIGH, "IANA: rsync"},
	{TCP, 1433, "Microsoft SQL Server", "a database", CHECK_HIGH, "IANA: ms-sql-s"},
	{TCP, 1521, "Oracle Database", "a database", CHECK_HIGH,
	 "Oracle Database: Net Services Administrator's Guide, listener"},
	{TCP, 1883, "MQTT", "a message broker", CHECK_HIGH, "IANA: mqtt"},
	{TCP, 2049, "NFS", "file shares", CHECK_HIGH, "IANA: nfs"},
	{TCP, 2181, "ZooKeeper", "a cluster's configuration", CHECK_HIGH,
	 "Apache ZooKeeper: Administrator's Guide, clientPort"},
	{TCP, 2375, "Docker's API", "root's rights on its host", CHECK_CRITICAL, "IANA: docker"},
	{TCP, 2376, "Docker's API", "root's rights on its host", CHECK_HIGH, "IANA: docker-s"},
	{TCP, 2377, "Swarm", "the management of a cluster", CHECK_HIGH, "IANA: swarm"},
	{TCP, 2379, "etcd", "a cluster's configuration and secrets", CHECK_CRITICAL,
	 "IANA: etcd-client"},
	{TCP, 2380, "etcd", "a cluster's configuration and secrets", CHECK_CRITICAL,
	 "IANA: etcd-server"},
	{TCP, 3306, "MySQL, MariaDB", "a database", CHECK_HIGH, "IANA: mysql"},
	{TCP, 3389, "RDP", "a desktop", CHECK_HIGH, "IANA: ms-wbt-server"},
	{TCP, 4222, "NATS", "a message broker", CHECK_HIGH, "NATS: Server configuration, port"},
	{TCP, 5432, "PostgreSQL", "a database", CHECK_HIGH, "IANA: postgresql"},
	{TCP, 5601, "Kibana", "an administrator's console", CHECK_HIGH,
	 "Kibana: configuration, server.port"},
	{TCP, 5672, "AMQP (RabbitMQ)", "a message broker", CHECK_HIGH, "IANA: amqp"},
	{TCP, 5900, "VNC", "a desktop", CHECK_HIGH, "IANA: rfb"},
	{TCP, 5984, "CouchDB", "a database", CHECK_HIGH, "IANA: couchdb"},
	{TCP, 6379, "Redis, Valkey", "a cache and database", CHECK_HIGH, "IANA: redis"},
	{TCP, 6443, "Kubernetes' API", "the management of a cluster", CHECK_HIGH,
	 "Kubernetes: Ports and Protocols"},
	{TCP, 7474, "Neo4j", "a database", CHECK_HIGH, "Neo4j: Operations Manual, Ports"},
	{TCP, 7687, "Neo4j", "a database", CHECK_HIGH, "Neo4j: Operations Manual, Ports"},
	{TCP, 8086, "InfluxDB", "a database", CHECK_HIGH,
	 "InfluxDB: configuration, http-bind-address"},
	{TCP, 8123, "ClickHouse", "a database", CHECK_HIGH, "ClickHouse: Network ports"},
	{TCP, 8200, "Vault", "a store of secrets", CHECK_HIGH, "Vault: configuration, listener"},
	{TCP, 8500, "Consul", "a cluster's configuration", CHECK_HIGH, "Consul: Required ports"},
	{TCP, 8983, "Solr", "a database", CHECK_HIGH,
	 "Apache Solr: Reference Guide, starting Solr"},
	{TCP, 9000, "PHP-FPM", "a way to run code", CHECK_HIGH, "PHP: FPM configuration, listen"},
	{TCP, 9042, "Cassandra", "a database", CHECK_HIGH,
	 "Apache Cassandra: configuration, native_transport_port"},
	{TCP, 9090, "Prometheus", "an administrator's console", CHECK_HIGH,
	 "Prometheus: web.listen-address"},
	{TCP, 9092, "Kafka", "a message broker", CHECK_HIGH,
	 "Apache Kafka: broker configs, listeners"},
	{TCP, 9200, "Elasticsearch, OpenSearch", "a database", CHECK_HIGH,
	 "Elasticsearch: Networking, http.port"},
	{TCP, 9300, "Elasticsearch, OpenSearch", "a database", CHECK_HIGH,
	 "Elasticsearch: Networking, transport.port"},
	{TCP, 9443, "Portainer", "an administrator's console", CHECK_HIGH,
	 "Portainer: Requirements"},
	{TCP, 10250, "kubelet", "the management of a node", CHECK_CRITICAL,
	 "Kubernetes: Ports and Protocols"},
	{TCP, 11211, "memcached", "a cache", CHECK_HIGH, "IANA: memcache"},
	{UDP, 11211, "memcached", "a cache, and an amplifier of floods", CHECK_HIGH,
	 "IANA: memcache"},
	{TCP, 15672, "RabbitMQ", "an administrator's console", CHECK_HIGH,
	 "RabbitMQ: Management plugin"},
	{TCP, 26257, "CockroachDB", "a database", CHECK_HIGH,
	 "CockroachDB: cockroach start, --listen-addr"},
	{TCP, 27017, "MongoDB", "a database", CHECK_HIGH, "IANA: mongodb"},
	{TCP, 33060, "MySQL", "a database", CHECK_HIGH, "IANA: mysqlx"},
};

const struct service *service_find(uint8_t protocol, uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (services[i].protocol == protocol && services[i].port == port)
			return &services[i];
	return NULL;
}
