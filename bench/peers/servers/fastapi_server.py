"""FastAPI with SQLAlchemy for employees and ONNX Runtime for predictions, as a team would write it by hand."""

import hashlib
import os
from datetime import date
from pathlib import Path

import numpy as np
import onnxruntime as ort
import redis.asyncio as redis
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://").replace("postgres://", "postgresql+asyncpg://")
session = async_sessionmaker(create_async_engine(url, pool_size=10))
cache = redis.from_url(os.environ["REDIS_URL"])
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Department(Base):
    __tablename__ = "department"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Employee(Base):
    __tablename__ = "employee"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    age: Mapped[int]
    job_title: Mapped[str]
    hired_on: Mapped[date]
    department_id: Mapped[str] = mapped_column(ForeignKey("department.id"))
    manager_id: Mapped[str | None] = mapped_column(ForeignKey("employee.id"))
    department: Mapped[Department] = relationship()
    manager: Mapped["Employee | None"] = relationship(remote_side=[id])


class Named(BaseModel):
    name: str


class EmployeeOut(BaseModel):
    id: str
    name: str
    email: str
    age: int
    jobTitle: str
    hiredOn: date
    department: Named
    manager: Named | None


@app.get("/employees")
async def employees(first: int = 50) -> list[EmployeeOut]:
    async with session() as db:
        page = (
            select(Employee)
            .options(joinedload(Employee.department), joinedload(Employee.manager))
            .order_by(Employee.name.collate("und-x-icu"), Employee.id)
            .limit(min(first, 100))
        )
        return [
            EmployeeOut(
                id=str(row.id),
                name=row.name,
                email=row.email,
                age=row.age,
                jobTitle=row.job_title,
                hiredOn=row.hired_on,
                department=Named(name=row.department.name),
                manager=Named(name=row.manager.name) if row.manager else None,
            )
            for row in (await db.scalars(page)).all()
        ]


class Car(BaseModel):
    company: str
    year: int
    km_driven: int
    fuel: str | None = None
    transmission: str | None = None
    owner: str | None = None
    seller_type: str | None = None
    mileage_mpg: float | None = None
    engine_cc: float | None = None
    max_power_bhp: float | None = None
    torque_nm: float | None = None
    seats: float | None = None


options = ort.SessionOptions()
options.intra_op_num_threads = 1
model = ort.InferenceSession(Path(os.environ["MODEL_FILE"]), options)
texts = {node.name for node in model.get_inputs() if node.type == "tensor(string)"}
types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
dtypes = {node.name: types.get(node.type) for node in model.get_inputs()}


@app.post("/predict")
async def predict(cars: list[Car]) -> list[float]:
    return run(cars)


@app.post("/cached-predict")
async def cached_predict(cars: list[Car]) -> list[float]:
    keys = ["car:" + hashlib.sha256(car.model_dump_json().encode()).hexdigest() for car in cars]
    known = await cache.mget(keys)
    missing = [row for row, price in enumerate(known) if price is None]
    if missing:
        prices = run([cars[row] for row in missing])
        for row, price in zip(missing, prices, strict=True):
            known[row] = price
            await cache.set(keys[row], price, ex=3600)
    return [float(price) for price in known]


def run(cars: list[Car]) -> list[float]:
    feeds = {}
    for name, dtype in dtypes.items():
        column = [getattr(car, name) for car in cars]
        values = [value or "" for value in column] if name in texts else [np.nan if value is None else value for value in column]
        feeds[name] = np.array(values, dtype=object if name in texts else dtype).reshape(-1, 1)
    (prices,) = model.run(None, feeds)
    return prices.ravel().tolist()
